"""The studies: a configuration in, a result out; nothing is drawn or printed here."""
