"""Steps composed into one turn of each flow. Free of Prefect, whose import takes seconds."""
