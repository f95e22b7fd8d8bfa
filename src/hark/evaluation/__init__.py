"""Judge models on data: tasks that ask and score, metrics, and what runs and reports them."""
