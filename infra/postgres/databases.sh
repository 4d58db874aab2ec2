#!/bin/sh
# Postgres's image runs this once, when its volume is empty. It makes a database for each server, only for its owner.
set -eu

make_database() {
    psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --set name="$1" --set password="$2" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE CONNECT ON DATABASE :"name" FROM PUBLIC;
SQL
}

make_database prefect "$PREFECT_DATABASE_PASSWORD"
make_database mlflow "$MLFLOW_DATABASE_PASSWORD"
