"""The view-only link: pages of our own, on which others see a session's notebooks, and can do nothing else.

``server`` answers viewers, who may be anybody; ``shown_files`` asks the session's agent what there is to see, and
``renderings`` has it made into HTML by ``render``, in a process that lives for one file; ``page`` puts pages together.
"""
