sources := ask.c background.c backoff.c config.c dirs.c give.c guard.c kids.c listeners.c lock.c log_file.c main.c notify.c \
	   options.c reload.c run.c state.c stop.c users.c watch.c
uses := daemon conf ipc net stats
program := sbin/posthaste
