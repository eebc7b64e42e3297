"""Sessions: what a request becomes, from start to bill.

Each room is one idea, and knows only what is below it: ``client`` (whoever asks for something), ``supervision`` (the
process that owns a session), ``machines`` and their ``newcomers``, ``cleanup``, ``lifetime``, ``suspension``,
``saving``, ``cluster``, ``endpoints``, ``reporting``, ``preparation``, ``on_disk``.
"""
