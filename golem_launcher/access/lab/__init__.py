"""What the link knows of JupyterLab: its page and files, open documents, and large files."""
