"""confluent-kafka for Python, as Debian has it: librdkafka under its widest-used wrapper."""

import threading

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic

from trial import START, run, same, texts, until


def config(place, **options):
    named = {name.replace("_", "."): value for name, value in options.items()}
    return {"bootstrap.servers": place.bootstrap, **named}


def admin(place):
    return AdminClient(config(place))


def done(futures):
    for future in futures.values():
        future.result(20)


def create(place, topic, partitions=1, replicas=None, **configs):
    named = {name.replace("_", "."): value for name, value in configs.items()}
    client = admin(place)
    done(client.create_topics([NewTopic(topic, partitions, replicas or place.nodes, config=named)]))


def produce(place, topic, values, **options):
    failures = []
    sender = Producer(config(place, **options))
    for value in values:
        sender.produce(topic, value, on_delivery=lambda error, _: error and failures.append(error))
    same(sender.flush(30), 0, "What was not sent")
    same(failures, [], "What failed")


def consume(place, topic, count, **options):
    consumer = Consumer(config(place, group_id=place.fresh("reader"), **options))
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    found = take(consumer, count)
    consumer.close()
    return found


def take(consumer, count):
    found = []

    def poll():
        message = consumer.poll(0.1)
        if message is not None:
            if message.error():
                raise KafkaException(message.error())
            found.append(message)
        return len(found) >= count

    until(f"{count} messages", poll)
    return found


def values_of(messages):
    return [message.value() if message.value() is None else message.value().decode() for message in messages]


def metadata(place):
    described = admin(place).list_topics(timeout=10)
    brokers = sorted(f"{broker.host}:{broker.port}" for broker in described.brokers.values())
    same(brokers, sorted(place.brokers), "The list of brokers")
    same(described.controller_id in described.brokers, True, "The controller")


def compressed(kind):
    def trial(place):
        topic = place.fresh("compressed")
        produce(place, topic, texts(100), compression_codec=kind)
        same(values_of(consume(place, topic, 100)), texts(100))

    return trial


def fields(place):
    topic = place.fresh("fields")
    headers = [("a", b"b"), ("c", b"d"), ("c", b"e")]
    sender = Producer(config(place))
    sender.produce(topic, key="k", value="v", headers=headers, timestamp=START)
    sender.produce(topic, key=None, value="keyless", timestamp=START + 1)
    sender.produce(topic, key="tombstone", value=None, timestamp=START + 2)
    sender.produce(topic, key="", value="", timestamp=START + 3)
    same(sender.flush(30), 0, "What was not sent")
    found = consume(place, topic, 4)
    same([m.key() for m in found], [b"k", None, b"tombstone", b""], "keys")
    same([m.value() for m in found], [b"v", b"keyless", None, b""], "values")
    same([m.timestamp()[1] - START for m in found], [0, 1, 2, 3], "timestamps")
    same(found[0].headers(), headers, "headers")


def large(place):
    topic = place.fresh("large")
    create(place, topic, max_message_bytes="12000000")
    value = "x" * 1_000_000
    options = {"message_max_bytes": 12_000_000, "batch_size": 12_000_000, "linger_ms": 500}
    produce(place, topic, [value] * 10, **options)
    found = consume(place, topic, 10, fetch_message_max_bytes=12_000_000)
    same(all(text == value for text in values_of(found)), True, "Each value")


def idempotent(place):
    topic = place.fresh("idempotent")
    produce(place, topic, texts(50), enable_idempotence=True)
    same(values_of(consume(place, topic, 50)), texts(50))


def topics(place):
    topic = place.fresh("admin")
    client = admin(place)
    create(place, topic, 2, place.nodes)
    done(client.create_partitions([NewPartitions(topic, 3)]))
    partitions = client.list_topics(topic, timeout=10).topics[topic].partitions
    same([len(p.replicas) for p in partitions.values()], [place.nodes] * 3, "The replicas")
    done(client.delete_topics([topic]))
    until("the topic is gone", lambda: topic not in client.list_topics(timeout=10).topics)


def configs(place):
    topic = place.fresh("configs")
    create(place, topic)
    client = admin(place)
    resource = ConfigResource("topic", topic, set_config={"retention.ms": "123456"})
    done(client.alter_configs([resource]))
    [future] = client.describe_configs([ConfigResource("topic", topic)]).values()
    entry = future.result(20)["retention.ms"]
    same((entry.value, entry.is_default), ("123456", False))


def times(place):
    topic = place.fresh("times")
    sender = Producer(config(place))
    for n, value in enumerate(texts(10)):
        sender.produce(topic, value, timestamp=START + n)
    same(sender.flush(30), 0, "What was not sent")
    consumer = Consumer(config(place, group_id=place.fresh("reader")))
    [found] = consumer.offsets_for_times([TopicPartition(topic, 0, START + 4)], timeout=10)
    same(found.offset, 4)
    same(consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10), (0, 10))
    consumer.close()


def resume(place):
    topic, group = place.fresh("resume"), place.fresh("group")
    produce(place, topic, texts(10))
    options = {"group_id": group, "auto_offset_reset": "earliest", "enable_auto_commit": False}
    consumer = Consumer(config(place, **options))
    consumer.subscribe([topic])
    take(consumer, 10)
    consumer.commit(asynchronous=False)
    consumer.close()
    produce(place, topic, texts(5, "w"))
    consumer = Consumer(config(place, **options))
    consumer.subscribe([topic])
    same(values_of(take(consumer, 5)), texts(5, "w"))
    consumer.commit(offsets=[TopicPartition(topic, 0, 12)], asynchronous=False)
    [committed] = consumer.committed([TopicPartition(topic, 0)], timeout=10)
    same(committed.offset, 12, "The committed offset")
    consumer.close()


def rebalance(place):
    topic, group = place.fresh("shared"), place.fresh("group")
    create(place, topic, 6)
    members = [Member(place, topic, group) for _ in range(3)]
    until("two partitions each", lambda: all(len(m.owned) == 2 for m in members))
    members[0].stop()
    rest = members[1:]
    until("three partitions each", lambda: all(len(m.owned) == 3 for m in rest))
    sender = Producer(config(place))
    for value in texts(60):
        sender.produce(topic, key=value, value=value)
    same(sender.flush(30), 0, "What was not sent")
    until("all messages", lambda: sum(len(m.found) for m in members) >= 60)
    same(sorted(v for m in members for v in m.found), sorted(texts(60)))
    [described] = admin(place).list_groups(group, timeout=10)
    same((described.state, len(described.members)), ("Stable", 2), "The described group")
    for member in rest:
        member.stop()


def join(place, topic, group, told):
    """Reads until it is told to leave; yields the partition and the offset of each record."""
    options = {"group_id": group, "auto_offset_reset": "earliest", "session_timeout_ms": 6000}
    options.update(heartbeat_interval_ms=200, auto_commit_interval_ms=100)
    consumer = Consumer(config(place, enable_auto_offset_store=False, **options))
    consumer.subscribe([topic])
    while not told.is_set():
        message = consumer.poll(0.05)
        if message is not None and not message.error():
            yield message.partition(), message.offset()
            consumer.store_offsets(message)
    consumer.close()


class Member:
    """A consumer in a thread of its own."""

    def __init__(self, place, topic, group):
        self.found = []
        self.owned = []
        self._stopping = False
        self._consumer = Consumer(
            config(
                place,
                group_id=group,
                auto_offset_reset="earliest",
                heartbeat_interval_ms=100,
                auto_commit_interval_ms=100,
                session_timeout_ms=6000,
            )
        )
        self._consumer.subscribe([topic])
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._stopping:
            message = self._consumer.poll(0.05)
            if message is not None and not message.error():
                self.found.append(message.value().decode())
            self.owned = self._consumer.assignment()
        self._consumer.close()

    def stop(self):
        self._stopping = True
        self._thread.join()


def transactions(place):
    topic, source = place.fresh("transactional"), place.fresh("source")
    group = place.fresh("group")
    produce(place, topic, ["before"])
    produce(place, source, texts(5))
    sender = Producer(config(place, transactional_id=place.fresh("tx")))
    sender.init_transactions(20)
    sender.begin_transaction()
    sender.produce(topic, "aborted")
    sender.flush(20)
    sender.abort_transaction(20)
    sender.begin_transaction()
    sender.produce(topic, "committed")
    consumer = Consumer(config(place, group_id=group, enable_auto_commit=False))
    consumer.subscribe([source])
    offsets = [TopicPartition(source, 0, 5)]
    sender.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), 20)
    sender.commit_transaction(20)
    same(values_of(consume(place, topic, 2)), ["before", "committed"])
    [committed] = consumer.committed([TopicPartition(source, 0)], timeout=10)
    same(committed.offset, 5, "The committed offset")
    consumer.close()


def failover(place):
    topic = place.fresh("failover")
    create(place, topic, 1, place.nodes, min_insync_replicas="2")
    delivered = []
    sender = Producer(config(place, enable_idempotence=True, linger_ms=5))

    def note(error, message):
        if error:
            raise KafkaException(error)
        delivered.append(message.value().decode())

    def send(values):
        for value in values:
            sender.produce(topic, value, on_delivery=note)
            sender.poll(0.001)

    send(texts(500, "a"))
    leader = admin(place).list_topics(topic, timeout=10).topics[topic].partitions[0].leader
    place.kill(leader)
    send(texts(500, "b"))
    same(sender.flush(30), 0, "What was not sent")
    place.restart(leader)
    found = values_of(consume(place, topic, 1000))
    same(found, texts(500, "a") + texts(500, "b"))


run({
    "metadata": metadata,
    "produce, consume": compressed("none"),
    "gzip": compressed("gzip"),
    "snappy": compressed("snappy"),
    "lz4": compressed("lz4"),
    "zstd": compressed("zstd"),
    "headers, nulls, timestamps": fields,
    "10 MB batch": large,
    "idempotent producer": idempotent,
    "topics": topics,
    "configs": configs,
    "offsets by time": times,
    "commit, resume": resume,
    "rebalance": rebalance,
    "transactions": transactions,
    "failover": failover,
}, join)
