"""The shared core: picture bytes in, calibrated prediction out. Knows neither HTTP nor torch."""
