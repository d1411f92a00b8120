"""The program that obtains and renews the site's certificate, with the ACME client lego."""
