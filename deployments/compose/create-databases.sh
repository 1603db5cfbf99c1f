#!/bin/sh
# Run once by the image of PostgreSQL, on an empty volume: a database and a user for Prefect and for MLflow each.
set -eu
for name in prefect mlflow; do
    variable="$(echo "$name" | tr '[:lower:]' '[:upper:]')_DATABASE_PASSWORD"
    password="$(printenv "$variable")"
    psql --username postgres --set ON_ERROR_STOP=1 --set name="$name" --set password="$password" <<'SQL'
CREATE USER :"name" PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
SQL
done
