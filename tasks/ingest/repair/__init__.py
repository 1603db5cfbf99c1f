"""Repairs: rejected rows out to a spreadsheet, corrected rows back in."""
