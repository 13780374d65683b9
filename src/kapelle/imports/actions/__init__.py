"""What imports does, one file a concern."""
