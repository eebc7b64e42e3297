"""What notebooks and scripts call: ``golem_launcher.launch(…)`` and its companions."""
