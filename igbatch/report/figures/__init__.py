"""Figures for print and for the page, drawn by matplotlib."""
