"""Measures Safelight's promises side by side with what they are measured against."""
