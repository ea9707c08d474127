import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.*;

/** Apache Kafka's own clients for Java: what trial.ts is for scripts of Deno, and the trials. */
public class JavaClient {
    static final long TRIAL_SECONDS = 45;
    // Not long ago, or retention would take what is written with it.
    static final long START = System.currentTimeMillis() - 3_600_000;
    static final ObjectMapper JSON = new ObjectMapper();
    static final BufferedReader STDIN = new BufferedReader(new InputStreamReader(System.in));
    static final String LIFE = UUID.randomUUID().toString().substring(0, 8);

    static String bootstrap;
    static int nodes;
    static int number;

    interface Trial {
        void run() throws Exception;
    }

    public static void main(String[] args) throws Exception {
        if (args[0].equals("--member")) {
            bootstrap = args[1];
            beMember(args[2], args[3], args[4]);
        }
        bootstrap = args[0];
        nodes = Integer.parseInt(args[1]);
        Set<String> names = Set.copyOf(Arrays.asList(args).subList(2, args.length));
        for (Map.Entry<String, Trial> entry : trials().entrySet()) {
            if (names.isEmpty() || names.contains(entry.getKey())) attempt(entry.getKey(), entry.getValue());
        }
        // Whatever a client left running.
        Runtime.getRuntime().halt(0);
    }

    static Map<String, Trial> trials() {
        Map<String, Trial> trials = new LinkedHashMap<>();
        trials.put("metadata", JavaClient::metadata);
        trials.put("produce, consume", () -> compressed("none"));
        for (String codec : List.of("gzip", "snappy", "lz4", "zstd")) trials.put(codec, () -> compressed(codec));
        trials.put("headers, nulls, timestamps", JavaClient::fields);
        trials.put("10 MB batch", JavaClient::large);
        // Every producer is, unless it is told not to be.
        trials.put("idempotent producer", () -> compressed("none"));
        trials.put("topics", JavaClient::topics);
        trials.put("configs", JavaClient::configs);
        trials.put("offsets by time", JavaClient::times);
        trials.put("commit, resume", () -> {
            for (String protocol : List.of("classic", "consumer")) resume(protocol);
        });
        trials.put("rebalance", () -> {
            for (String protocol : List.of("classic", "consumer")) rebalance(protocol);
        });
        trials.put("transactions", JavaClient::transactions);
        trials.put("failover", JavaClient::failover);
        return trials;
    }

    static void attempt(String capability, Trial trial) throws Exception {
        long begun = System.currentTimeMillis();
        FutureTask<Void> task = new FutureTask<>(() -> {
            trial.run();
            return null;
        });
        Thread thread = new Thread(task);
        thread.setDaemon(true);
        thread.start();
        try {
            task.get(TRIAL_SECONDS, TimeUnit.SECONDS);
            say(Map.of("capability", capability, "outcome", "passed", "ms", System.currentTimeMillis() - begun));
        } catch (TimeoutException late) {
            String where = Arrays.toString(thread.getStackTrace());
            say(Map.of("capability", capability, "outcome", "failed", "reason", "Not done within " + TRIAL_SECONDS + " s: " + where));
        } catch (ExecutionException failed) {
            Throwable cause = failed.getCause();
            String where = Arrays.stream(cause.getStackTrace())
                .filter(frame -> frame.getClassName().startsWith("JavaClient")).map(String::valueOf)
                .collect(Collectors.joining(" "));
            say(Map.of("capability", capability, "outcome", "failed", "reason", cause + " " + where));
        }
    }

    static void say(Object line) throws Exception {
        System.out.println("@" + JSON.writeValueAsString(line));
        System.out.flush();
    }

    /** Asks whoever runs it, on stdout; the answer is a line on stdin. */
    static void order(String what, int node) throws Exception {
        say(Map.of(what, node));
        STDIN.readLine();
    }

    static String fresh(String name) {
        return name + "-" + LIFE + "-" + ++number;
    }

    static void same(Object actual, Object expected, String what) {
        if (!Objects.equals(actual, expected)) throw new AssertionError(what + " is " + actual + ", not " + expected);
    }

    static void until(String what, Callable<Boolean> ask) throws Exception {
        long end = System.currentTimeMillis() + 30_000;
        while (!ask.call()) {
            if (System.currentTimeMillis() > end) throw new AssertionError("Not within 30 s: " + what);
            Thread.sleep(20);
        }
    }

    static List<String> texts(int count, String prefix) {
        return IntStream.range(0, count).mapToObj(index -> prefix + index).toList();
    }

    static Admin admin() {
        return Admin.create(Map.of("bootstrap.servers", bootstrap));
    }

    static Map<String, Object> with(Map<String, ?> options, Object... more) {
        Map<String, Object> all = new HashMap<>(Map.of("bootstrap.servers", bootstrap));
        all.putAll(options);
        for (int i = 0; i < more.length; i += 2) all.put((String) more[i], more[i + 1]);
        return all;
    }

    static KafkaProducer<String, String> producer(Object... options) {
        return new KafkaProducer<>(with(Map.of(), options), new StringSerializer(), new StringSerializer());
    }

    static KafkaConsumer<String, String> consumer(Object... options) {
        Map<String, Object> config = with(Map.of("auto.offset.reset", "earliest", "fetch.max.wait.ms", 100), options);
        return new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer());
    }

    static Map<String, Object> group(String group, String protocol) {
        Map<String, Object> options = new HashMap<>(Map.of(
            "group.id", group, "group.protocol", protocol, "auto.commit.interval.ms", 100));
        if (protocol.equals("classic")) {
            options.putAll(Map.of(
                "session.timeout.ms", 6000, "heartbeat.interval.ms", 200,
                "partition.assignment.strategy", CooperativeStickyAssignor.class.getName()));
        }
        return options;
    }

    static KafkaConsumer<String, String> member(String group, String protocol, Object... options) {
        List<Object> all = new ArrayList<>();
        group(group, protocol).forEach((name, value) -> all.addAll(List.of(name, value)));
        all.addAll(List.of(options));
        return consumer(all.toArray());
    }

    static void create(Admin admin, String topic, int partitions, Map<String, String> configs) throws Exception {
        admin.createTopics(List.of(new NewTopic(topic, partitions, (short) nodes).configs(configs))).all().get();
    }

    static void produce(String topic, List<String> values, Object... options) throws Exception {
        try (var producer = producer(options)) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (String value : values) sent.add(producer.send(new ProducerRecord<>(topic, 0, null, value)));
            producer.flush();
            for (var each : sent) each.get();
        }
    }

    static List<ConsumerRecord<String, String>> consume(String topic, int count) throws Exception {
        try (var consumer = consumer("isolation.level", "read_committed")) {
            consumer.assign(List.of(new TopicPartition(topic, 0)));
            return take(consumer, count);
        }
    }

    static List<ConsumerRecord<String, String>> take(KafkaConsumer<String, String> consumer, int count) throws Exception {
        List<ConsumerRecord<String, String>> found = new ArrayList<>();
        until(count + " records", () -> {
            consumer.poll(Duration.ofMillis(100)).forEach(found::add);
            return found.size() >= count;
        });
        return found;
    }

    static List<String> values(List<ConsumerRecord<String, String>> records) {
        return records.stream().map(ConsumerRecord::value).toList();
    }

    static void metadata() throws Exception {
        try (var admin = admin()) {
            var described = admin.describeCluster();
            var found = described.nodes().get().stream().map(node -> node.host() + ":" + node.port()).sorted().toList();
            same(found, Stream.of(bootstrap.split(",")).sorted().toList(), "The list of brokers");
            same(described.nodes().get().contains(described.controller().get()), true, "The controller is a broker:");
        }
    }

    static void compressed(String codec) throws Exception {
        String topic = fresh("compressed");
        produce(topic, texts(100, "v"), "compression.type", codec);
        same(values(consume(topic, 100)), texts(100, "v"), "What was read");
    }

    static void fields() throws Exception {
        String topic = fresh("fields");
        var headers = List.<org.apache.kafka.common.header.Header>of(
            new RecordHeader("a", "b".getBytes(StandardCharsets.UTF_8)), new RecordHeader("a", (byte[]) null));
        try (var producer = producer()) {
            producer.send(new ProducerRecord<>(topic, 0, START, "k", "v", headers));
            producer.send(new ProducerRecord<>(topic, 0, START + 1, null, "keyless"));
            producer.send(new ProducerRecord<>(topic, 0, START + 2, "tombstone", (String) null));
            producer.send(new ProducerRecord<>(topic, 0, START + 3, "", ""));
        }
        var found = consume(topic, 4);
        same(found.stream().map(ConsumerRecord::key).toList(), Arrays.asList("k", null, "tombstone", ""), "keys");
        same(values(found), Arrays.asList("v", "keyless", null, ""), "values");
        same(found.stream().map(each -> each.timestamp() - START).toList(), List.of(0L, 1L, 2L, 3L), "timestamps");
        same(List.of(found.get(0).headers().toArray()), headers, "headers");
    }

    static void large() throws Exception {
        String topic = fresh("large");
        String value = "x".repeat(1_000_000);
        try (var admin = admin()) {
            create(admin, topic, 1, Map.of("max.message.bytes", "12000000"));
        }
        produce(topic, Collections.nCopies(10, value), "max.request.size", 12_000_000, "batch.size", 11_000_000, "linger.ms", 500);
        same(values(consume(topic, 10)).stream().allMatch(value::equals), true, "Whether each value is the same");
    }

    static void topics() throws Exception {
        String topic = fresh("admin");
        try (var admin = admin()) {
            create(admin, topic, 2, Map.of());
            admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(3))).all().get();
            until("three partitions", () -> admin.describeTopics(List.of(topic)).allTopicNames().get()
                .get(topic).partitions().stream().filter(each -> each.replicas().size() == nodes).count() == 3);
            same(admin.listTopics().names().get().contains(topic), true, "Whether the topic is in the list");
            admin.deleteTopics(List.of(topic)).all().get();
            until("the topic is gone", () -> !admin.listTopics().names().get().contains(topic));
        }
    }

    static void configs() throws Exception {
        String topic = fresh("configs");
        try (var admin = admin()) {
            create(admin, topic, 1, Map.of());
            var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
            var set = new AlterConfigOp(new ConfigEntry("retention.ms", "123456"), AlterConfigOp.OpType.SET);
            admin.incrementalAlterConfigs(Map.of(resource, List.of(set))).all().get();
            until("the value", () -> admin.describeConfigs(List.of(resource)).all().get()
                .get(resource).get("retention.ms").value().equals("123456"));
            var broker = new ConfigResource(ConfigResource.Type.BROKER, "1");
            var nodeId = admin.describeConfigs(List.of(broker)).all().get().get(broker).get("node.id");
            same(nodeId.value(), "1", "node.id");
        }
    }

    static void times() throws Exception {
        String topic = fresh("times");
        try (var producer = producer(); var admin = admin()) {
            for (int n = 0; n < 10; n++) producer.send(new ProducerRecord<>(topic, 0, START + n, null, "v" + n));
            producer.flush();
            var partition = new TopicPartition(topic, 0);
            var asked = Map.of("time", OffsetSpec.forTimestamp(START + 4), "end", OffsetSpec.latest(), "max", OffsetSpec.maxTimestamp());
            Map<String, Long> found = new TreeMap<>();
            for (var each : asked.entrySet()) {
                found.put(each.getKey(), admin.listOffsets(Map.of(partition, each.getValue())).partitionResult(partition).get().offset());
            }
            same(found, new TreeMap<>(Map.of("time", 4L, "end", 10L, "max", 9L)), "The offsets");
            admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(3))).all().get();
            same(admin.listOffsets(Map.of(partition, OffsetSpec.earliest())).partitionResult(partition).get().offset(), 3L, "The first");
        }
    }

    static void resume(String protocol) throws Exception {
        String topic = fresh("resume");
        String group = fresh("group");
        produce(topic, texts(10, "v"));
        readOn(topic, group, protocol, 10);
        produce(topic, texts(5, "w"));
        same(readOn(topic, group, protocol, 5), texts(5, "w"), "What was read then");
        var partition = new TopicPartition(topic, 0);
        try (var admin = admin()) {
            var committed = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata();
            same(committed.get().get(partition).offset(), 15L, "The committed offset");
            admin.alterConsumerGroupOffsets(group, Map.of(partition, new OffsetAndMetadata(12))).all().get();
            var altered = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata();
            same(altered.get().get(partition).offset(), 12L, "The altered offset");
        }
    }

    static List<String> readOn(String topic, String group, String protocol, int count) throws Exception {
        try (var consumer = member(group, protocol, "enable.auto.commit", false)) {
            consumer.subscribe(List.of(topic));
            var found = values(take(consumer, count));
            consumer.commitSync();
            return found;
        }
    }

    /** A consumer in a thread of its own. */
    static class Member extends Thread {
        final List<String> found = Collections.synchronizedList(new ArrayList<>());
        final AtomicBoolean isStopping = new AtomicBoolean();
        final String topic;
        final String group;
        final String protocol;
        volatile int owned;

        Member(String topic, String group, String protocol) {
            this.topic = topic;
            this.group = group;
            this.protocol = protocol;
            setDaemon(true);
            start();
        }

        @Override
        public void run() {
            try (var consumer = member(group, protocol)) {
                consumer.subscribe(List.of(topic));
                while (!isStopping.get()) {
                    consumer.poll(Duration.ofMillis(50)).forEach(each -> found.add(each.value()));
                    owned = consumer.assignment().size();
                }
            }
        }

        void leave() throws Exception {
            isStopping.set(true);
            join();
        }
    }

    static void rebalance(String protocol) throws Exception {
        String topic = fresh("shared");
        String group = fresh("group");
        try (var admin = admin(); var producer = producer()) {
            create(admin, topic, 6, Map.of());
            var members = Stream.of(1, 2, 3).map(each -> new Member(topic, group, protocol)).toList();
            until("two partitions each", () -> members.stream().allMatch(each -> each.owned == 2));
            members.get(0).leave();
            var rest = members.subList(1, 3);
            until("three partitions each", () -> rest.stream().allMatch(each -> each.owned == 3));
            for (String value : texts(60, "v")) producer.send(new ProducerRecord<>(topic, value, value));
            producer.flush();
            until("all records", () -> members.stream().mapToInt(each -> each.found.size()).sum() >= 60);
            same(members.stream().flatMap(each -> each.found.stream()).sorted().toList(), texts(60, "v").stream().sorted().toList(), "What was read");
            var described = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
            same(described.groupState(), GroupState.STABLE, "The state");
            same(described.members().size(), 2, "The number of members");
            same(described.type().toString().toLowerCase(), protocol, "The type");
            for (Member member : rest) member.leave();
            same(admin.listGroups().all().get().stream().anyMatch(each -> each.groupId().equals(group)), true, "Whether the group is in the list");
            admin.deleteConsumerGroups(List.of(group)).all().get();
        }
    }

    static void transactions() throws Exception {
        String topic = fresh("transactional");
        String source = fresh("source");
        String group = fresh("group");
        String id = fresh("tx");
        produce(topic, List.of("before"));
        produce(source, texts(5, "v"));
        try (var producer = producer("transactional.id", id); var consumer = member(group, "consumer", "enable.auto.commit", false); var admin = admin()) {
            producer.initTransactions();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(topic, 0, null, "aborted"));
            producer.flush();
            producer.abortTransaction();
            consumer.subscribe(List.of(source));
            take(consumer, 5);
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(topic, 0, null, "committed"));
            var offsets = Map.of(new TopicPartition(source, 0), new OffsetAndMetadata(5));
            producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
            producer.commitTransaction();
            same(values(consume(topic, 2)), List.of("before", "committed"), "What was read");
            var committed = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
            same(committed.get(new TopicPartition(source, 0)).offset(), 5L, "The committed offset");
            until("it is over", () -> admin.describeTransactions(List.of(id)).all().get().get(id).state()
                == TransactionState.COMPLETE_COMMIT);
            var described = admin.describeTransactions(List.of(id)).all().get().get(id);
            // Each transaction has an epoch of its own, since KIP-890.
            same(described.producerEpoch() >= 2, true, "Whether the epoch has risen");
        }
    }

    static void failover() throws Exception {
        String topic = fresh("failover");
        int leader;
        try (var admin = admin()) {
            create(admin, topic, 1, Map.of("min.insync.replicas", "2"));
            leader = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().get(0).leader().id();
        }
        try (var producer = producer()) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (String value : texts(500, "a")) sent.add(producer.send(new ProducerRecord<>(topic, value)));
            order("kill", leader);
            for (String value : texts(500, "b")) sent.add(producer.send(new ProducerRecord<>(topic, value)));
            for (var each : sent) each.get();
        }
        order("restart", leader);
        List<String> expected = new ArrayList<>(texts(500, "a"));
        expected.addAll(texts(500, "b"));
        same(values(consume(topic, 1000)), expected, "What was read");
    }

    /** Reads as part of the group until it is told to leave. */
    static void beMember(String topic, String group, String protocol) throws Exception {
        var isStopping = new AtomicBoolean();
        var left = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            isStopping.set(true);
            try {
                left.await();
            } catch (InterruptedException ended) {
                Thread.currentThread().interrupt();
            }
        }));
        try (var consumer = member(group, protocol)) {
            consumer.subscribe(List.of(topic));
            while (!isStopping.get()) {
                for (var each : consumer.poll(Duration.ofMillis(50))) {
                    System.out.println("=[" + each.partition() + "," + each.offset() + "]");
                }
                System.out.flush();
            }
        } finally {
            left.countDown();
        }
        Thread.currentThread().join();
    }
}
