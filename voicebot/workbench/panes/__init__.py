"""The live panes of the panel."""
