"""What happened in a call: the vocabulary, the lab's log, live logs and how they become one."""
