import os
import socket

from entrypoint.supervision.notify import MOST, NotifySocket, Sender


def test_a_sender_without_end_keeps_nobody_from_other_work() -> None:
    receiver = NotifySocket()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect("\0" + receiver.variables["NOTIFY_SOCKET"][1:])
        sender.send(b"READY=1")
        messages = []
        for each in receiver.messages():
            messages.append(each)
            assert len(messages) <= MOST
            sender.send(b"STATUS=again")
    receiver.close()
    ours = Sender(os.getpid(), os.geteuid())
    assert messages == [(ours, {"READY": "1"}), *[(ours, {"STATUS": "again"})] * (MOST - 1)]
