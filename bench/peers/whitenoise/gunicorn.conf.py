"""How gunicorn serves. gunicorn itself reads the number of workers from WEB_CONCURRENCY."""

bind = "0.0.0.0:80"
accesslog = "-"
# Loaded once, shared by the workers.
preload_app = True
# The heartbeat of the workers is a file; on a disk it could block them.
worker_tmp_dir = "/dev/shm"
# Nobody asks it anything, and it would lie in the home directory, which www-data may not write.
control_socket_disable = True
