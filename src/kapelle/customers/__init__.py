"""Who a person is: profile, identifiers, merges with their journal, attributes with their source, the timeline."""
