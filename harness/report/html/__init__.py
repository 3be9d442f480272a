"""The report: a folder of HTML pages that open without a network or a server."""
