"""The Functions host with its durable engine: runs any Python Functions app from the app's folder."""
