"""kafka-python 2.0.2, as Debian has it: hard-coded old versions of most requests."""

import importlib.util
import threading

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic
from kafka.structs import OffsetAndMetadata

from trial import START, run, same, texts, until


def producer(place, **options):
    # It tries nothing twice unless it is told to, not even where a new topic has no leader yet.
    return KafkaProducer(bootstrap_servers=place.brokers, **{"retries": 20, **options})


def admin(place):
    return KafkaAdminClient(bootstrap_servers=place.brokers)


def produce(place, topic, values, **options):
    sender = producer(place, **options)
    sent = [sender.send(topic, value=value.encode()) for value in values]
    sender.flush()
    for future in sent:
        future.get(20)
    sender.close()


def consume(place, topic, count, **options):
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=place.brokers,
        auto_offset_reset="earliest",
        consumer_timeout_ms=30_000,
        **options,
    )
    found = []
    for record in consumer:
        found.append(record)
        if len(found) == count:
            break
    consumer.close(autocommit=False)
    return found


def values_of(records):
    return [record.value if record.value is None else record.value.decode() for record in records]


def metadata(place):
    client = admin(place)
    described = client.describe_cluster()
    brokers = sorted(f"{broker['host']}:{broker['port']}" for broker in described["brokers"])
    same(brokers, sorted(place.brokers), "The list of brokers")
    same(described["controller_id"] in [b["node_id"] for b in described["brokers"]], True)
    client.close()


def compressed(kind):
    def trial(place):
        topic = place.fresh("compressed")
        produce(place, topic, texts(100), compression_type=kind)
        same(values_of(consume(place, topic, 100)), texts(100))

    return trial


def compressed_by(kind, module):
    """As far as the module is there that does the compressing."""
    if importlib.util.find_spec(module) is None:
        return f"python3-{module} is not installed"
    return compressed(kind)


def fields(place):
    topic = place.fresh("fields")
    sender = producer(place)
    headers = [("a", b"b"), ("c", b"d"), ("c", b"e")]
    sender.send(topic, key=b"k", value=b"v", headers=headers, timestamp_ms=START)
    sender.send(topic, key=None, value=b"keyless", timestamp_ms=START + 1)
    sender.send(topic, key=b"tombstone", value=None, timestamp_ms=START + 2)
    sender.send(topic, key=b"", value=b"", timestamp_ms=START + 3)
    sender.flush()
    sender.close()
    found = consume(place, topic, 4)
    same([record.key for record in found], [b"k", None, b"tombstone", b""], "keys")
    same([record.value for record in found], [b"v", b"keyless", None, b""], "values")
    same([record.timestamp - START for record in found], [0, 1, 2, 3], "timestamps")
    same(found[0].headers, headers, "headers")


def large(place):
    topic = place.fresh("large")
    client = admin(place)
    configs = {"max.message.bytes": "12000000"}
    client.create_topics([NewTopic(topic, 1, place.nodes, topic_configs=configs)])
    client.close()
    size = 10_000_000
    produce(place, topic, ["x" * size], max_request_size=12_000_000, buffer_memory=40_000_000)
    [found] = consume(place, topic, 1, max_partition_fetch_bytes=12_000_000)
    same(found.value == b"x" * size, True, "The value")


def topics(place):
    topic = place.fresh("admin")
    client = admin(place)
    client.create_topics([NewTopic(topic, 2, place.nodes)])
    client.create_partitions({topic: NewPartitions(total_count=3)})
    [described] = client.describe_topics([topic])
    replicas = [len(partition["replicas"]) for partition in described["partitions"]]
    same(replicas, [place.nodes] * 3, "The replicas")
    same(topic in client.list_topics(), True, "The topic in the list")
    client.delete_topics([topic])
    until("the topic is gone", lambda: topic not in client.list_topics())
    client.close()


def configs(place):
    topic = place.fresh("configs")
    client = admin(place)
    client.create_topics([NewTopic(topic, 1, place.nodes)])
    resource = {"retention.ms": "123456"}
    client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=resource)])
    [answer] = client.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, topic, configs={"retention.ms": None})]
    )
    [(error, _message, _type, name, entries)] = answer.resources
    same((error, name, [entry[:2] for entry in entries]), (0, topic, [("retention.ms", "123456")]))
    client.close()


def times(place):
    topic = place.fresh("times")
    # A leader alone may have them before they are committed, when times do not find them yet.
    sender = producer(place, acks="all")
    for n, value in enumerate(texts(10)):
        sender.send(topic, value=value.encode(), timestamp_ms=START + n)
    sender.flush()
    sender.close()
    consumer = KafkaConsumer(bootstrap_servers=place.brokers)
    partition = TopicPartition(topic, 0)
    same(consumer.offsets_for_times({partition: START + 4})[partition].offset, 4)
    same(consumer.offsets_for_times({partition: START + 100})[partition], None)
    same(consumer.end_offsets([partition]), {partition: 10})
    consumer.close()


def resume(place):
    topic, group = place.fresh("resume"), place.fresh("group")
    produce(place, topic, texts(10))
    options = {"group_id": group, "auto_offset_reset": "earliest"}
    options.update(bootstrap_servers=place.brokers, consumer_timeout_ms=30_000)
    consumer = KafkaConsumer(topic, **options)
    for record in consumer:
        if record.offset == 9:
            break
    consumer.commit()
    consumer.close()
    produce(place, topic, texts(5, "w"))
    consumer = KafkaConsumer(topic, **options)
    found = []
    for record in consumer:
        found.append(record.value.decode())
        if len(found) == 5:
            break
    same(found, texts(5, "w"))
    committed = {TopicPartition(topic, 0): OffsetAndMetadata(12, "")}
    consumer.commit(committed)
    consumer.close(autocommit=False)
    client = admin(place)
    offsets = client.list_consumer_group_offsets(group)
    same([offset.offset for offset in offsets.values()], [12], "The committed offset")
    client.close()


def rebalance(place):
    topic, group = place.fresh("shared"), place.fresh("group")
    client = admin(place)
    client.create_topics([NewTopic(topic, 6, place.nodes)])
    members = [Member(place, topic, group) for _ in range(3)]
    until("two partitions each", lambda: all(len(m.owned) == 2 for m in members))
    members[0].stop()
    rest = members[1:]
    until("three partitions each", lambda: all(len(m.owned) == 3 for m in rest))
    sender = producer(place)
    for value in texts(60):
        sender.send(topic, key=value.encode(), value=value.encode())
    sender.flush()
    sender.close()
    until("all messages", lambda: sum(len(m.found) for m in members) >= 60)
    same(sorted(v for m in members for v in m.found), sorted(texts(60)))
    [described] = client.describe_consumer_groups([group])
    same((described.state, len(described.members)), ("Stable", 2), "The described group")
    for member in rest:
        member.stop()
    same(group in [name for name, _ in client.list_consumer_groups()], True)
    same([(name, error.errno) for name, error in client.delete_consumer_groups([group])], [(group, 0)])
    client.close()


def failover(place):
    topic = place.fresh("failover")
    client = admin(place)
    configs = {"min.insync.replicas": "2"}
    client.create_topics([NewTopic(topic, 1, place.nodes, topic_configs=configs)])
    [described] = client.describe_topics([topic])
    leader = described["partitions"][0]["leader"]
    client.close()
    sender = producer(place, acks="all", retries=100, max_in_flight_requests_per_connection=1)
    for value in texts(20, "a"):
        sender.send(topic, value=value.encode()).get(20)
    place.kill(leader)
    for value in texts(20, "b"):
        sender.send(topic, value=value.encode()).get(20)
    sender.close()
    place.restart(leader)
    # It is not idempotent: what it repeats may be there twice.
    found = []
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=place.brokers,
        auto_offset_reset="earliest",
        consumer_timeout_ms=5000,
    )
    for record in consumer:
        found.append(record.value.decode())
        if record.value == b"b19":
            break
    consumer.close(autocommit=False)
    same(list(dict.fromkeys(found)), texts(20, "a") + texts(20, "b"))


def join(place, topic, group, told):
    """Reads until it is told to leave; yields the partition and the offset of each record."""
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=place.brokers,
        group_id=group,
        auto_offset_reset="earliest",
        heartbeat_interval_ms=200,
        auto_commit_interval_ms=100,
        session_timeout_ms=6000,
    )
    while not told.is_set():
        for records in consumer.poll(timeout_ms=50).values():
            for record in records:
                yield record.partition, record.offset
    consumer.close()


class Member:
    """A consumer in a thread of its own."""

    def __init__(self, place, topic, group):
        self.found = []
        self.owned = set()
        self._stopping = False
        self._consumer = KafkaConsumer(
            topic,
            bootstrap_servers=place.brokers,
            group_id=group,
            auto_offset_reset="earliest",
            heartbeat_interval_ms=100,
            auto_commit_interval_ms=100,
            session_timeout_ms=6000,
        )
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._stopping:
            for records in self._consumer.poll(timeout_ms=50).values():
                self.found += values_of(records)
            self.owned = self._consumer.assignment()
        self._consumer.close()

    def stop(self):
        self._stopping = True
        self._thread.join()


run({
    "metadata": metadata,
    "produce, consume": compressed(None),
    "gzip": compressed("gzip"),
    "snappy": compressed_by("snappy", "snappy"),
    "lz4": compressed_by("lz4", "lz4"),
    "zstd": compressed_by("zstd", "zstandard"),
    "headers, nulls, timestamps": fields,
    "10 MB batch": large,
    "idempotent producer": "2.0.2 has no idempotent producer",
    "topics": topics,
    "configs": configs,
    "offsets by time": times,
    "commit, resume": resume,
    "rebalance": rebalance,
    "transactions": "2.0.2 has no transactions",
    "failover": failover,
}, join)
