"""Settings of each verb: frozen, keyword-only, checked on construction; the one place that documents an option."""
