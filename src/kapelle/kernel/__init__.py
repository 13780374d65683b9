"""What every module stands on: configuration, ids, errors, tenancy, engines. It knows no module above it."""
