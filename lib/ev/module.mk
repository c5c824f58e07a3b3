sources := ev_timer.c ev_libevent.c worker.c
uses := base
