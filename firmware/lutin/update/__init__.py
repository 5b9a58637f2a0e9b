"""Releases over the air: found, verified, installed, tried."""
