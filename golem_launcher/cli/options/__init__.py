"""Arguments and options that commands of several rooms take, and what a shell completes of them."""
