"""Configuration: a YAML file to the settings of the other layers, or all of its problems with their places."""
