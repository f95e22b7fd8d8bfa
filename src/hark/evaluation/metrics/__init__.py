"""Measures of how good an answer is: plain functions on texts, times and counts."""
