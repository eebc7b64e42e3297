"""What monitoring reads of all sessions: figures in Prometheus' text, made of their files when somebody asks."""
