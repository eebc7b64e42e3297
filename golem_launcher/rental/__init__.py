"""A provider rented, from demand to invoice: offers, agreement, activity, bills. Knows nothing of what runs there."""
