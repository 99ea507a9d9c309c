"""Metrics, traces and garbage-collector settings of a server."""
