"""Reports: a result and its figures as one page that can be sent on (`howfar.report.html`)."""
