"""Configuration: from a YAML file to the settings of the other layers, or to all of its problems."""
