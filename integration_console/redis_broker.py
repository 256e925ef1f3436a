"""kombu's Redis transport, for a broker that goes away while a worker is at work.

The stock transport puts messages that are not done yet back as it closes its connection, and acknowledges what is
done afterwards on a connection that is closed. Where Redis is away both raise, and the whole worker ends. The database
is the queue: the next look rings again for whatever is not done.
"""

import logging
from typing import Any

from kombu.transport import redis

log = logging.getLogger(__name__)


class QoS(redis.QoS):
    def restore_unacked(self, client: Any = None) -> None:
        try:
            super().restore_unacked(client)
        except Exception as error:  # redis's own, and kombu's where its connection is half closed
            log.warning("The broker is away (%s): the next look rings again", type(error).__name__)
            if self._delivered:
                self._delivered.clear()

    def ack(self, delivery_tag: Any) -> None:
        if not self._gone():
            super().ack(delivery_tag)

    def reject(self, delivery_tag: Any, requeue: bool = False) -> None:
        if not self._gone():
            super().reject(delivery_tag, requeue)

    def _gone(self) -> bool:
        """The work outlived its connection; Redis gives the message to somebody again, who finds nothing to do."""
        connection: Any = self.channel.connection
        return connection is None or connection.client is None


class Channel(redis.Channel):
    QoS = QoS


class Transport(redis.Transport):
    Channel = Channel
