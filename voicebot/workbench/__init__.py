"""The notebook's side: start a lobby from a cell, watch it live, change its models."""
