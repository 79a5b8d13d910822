"""What an installation does not have: a tool for checks brings it, and it would cost every start a fifth."""

raise ImportError("there is no such module where the router runs")
