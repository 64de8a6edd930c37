"""What the API takes and gives. The OpenAPI document, and so the dashboard's typed client, is made from these."""
