"""Background loops of the event road. Each `run(stop, ...)` works until `stop` is set."""
