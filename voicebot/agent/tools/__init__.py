"""The tools of agents: Python functions and MCP servers."""
