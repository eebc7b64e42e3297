"""The form: a request's fields, presets, files brought along, what is on offer and what it will cost."""
