"""Run the command line by `python -m howfar`."""

from howfar.cli.main import main

if __name__ == "__main__":
    main()
