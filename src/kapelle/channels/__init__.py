"""Ways to reach a customer: one folder a channel, all behind the protocol in `contracts`."""
