#!/bin/sh
# entrypoint.sh prepare|web|intake|inference|training|scheduler, or any other command.
# covidweb/processes.py starts the same processes without containers; a test compares the two.
set -eu

# Secrets come as files, so that they stand in no list of processes or environments of the host.
read_secret() {
  eval "file=\${$1_FILE:-}"
  if [ -n "$file" ]; then
    value=$(cat "$file")
    export "$1=$value"
  fi
}
read_secret SECRET_KEY
read_secret PSEUDONYM_KEY
read_secret POSTGRES_PASSWORD
read_secret EMAIL_URL
if [ -z "${DATABASE_URL:-}" ] && [ -n "${POSTGRES_PASSWORD:-}" ]; then
  export DATABASE_URL="postgres://covidweb:$POSTGRES_PASSWORD@postgres:5432/covidweb"
fi

umask 077
mkdir -p "$COVIDWEB_VAR/beat"

worker() {
  exec python -m celery -A covidweb worker -Q "$2" -P solo -n "$1@%h" -l INFO \
    --without-gossip --without-mingle --without-heartbeat
}

case "$1" in
  prepare)
    python manage.py migrate --no-input
    python manage.py collectstatic --no-input --clear --verbosity 0
    exec python manage.py register_checkpoint
    ;;
  web) exec python -m gunicorn covidweb.wsgi -c docker/gunicorn.conf.py --bind 0.0.0.0:8000 ;;
  intake) worker intake intake,maintenance ;;
  inference) worker inference inference ;;
  training) worker training training ;;
  scheduler) exec python -m celery -A covidweb beat -l INFO -s "$COVIDWEB_VAR/beat/schedule" --pidfile "" ;;
  *) exec "$@" ;;
esac
