"""What ``plait doctor`` looks at. Each check is a pure judgement of what was read, with the exact way out."""
