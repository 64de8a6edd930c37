"""Pictures of graphs and of runs in time: SVG, Mermaid, text. Pure: no store, no client, no clock."""
