package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"strom/interop/trial"
)

func metadata(_ context.Context, place *trial.Place) {
	admin := connectAdmin(place)
	defer closed(admin)
	described, controller, err := admin.DescribeCluster()
	trial.Check(err)
	var brokers []string
	controllerIsBroker := false
	for _, broker := range described {
		brokers = append(brokers, broker.Addr())
		controllerIsBroker = controllerIsBroker || broker.ID() == controller
	}
	trial.Same(trial.Sorted(brokers), trial.Sorted(place.Brokers), "The list of brokers")
	trial.Same(controllerIsBroker, true, "Whether the controller is a broker")
}

func topics(_ context.Context, place *trial.Place) {
	topic := place.Fresh("admin")
	create(place, topic, 2, nil)
	admin := connectAdmin(place)
	defer closed(admin)
	twice := admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}, false)
	trial.Same(errors.Is(twice, sarama.ErrTopicAlreadyExists), true,
		fmt.Sprintf("Whether %v says that it is there", twice))
	trial.Check(admin.CreatePartitions(topic, 3, nil, false))
	trial.Until("three partitions", func() bool {
		found := trial.Must(admin.ListTopics())[topic]
		return found.NumPartitions == 3 && int(found.ReplicationFactor) == place.Nodes
	})
	trial.Check(admin.DeleteTopic(topic))
	trial.Until("the topic is gone", func() bool {
		_, isThere := trial.Must(admin.ListTopics())[topic]
		return !isThere
	})
}

func configs(_ context.Context, place *trial.Place) {
	topic := place.Fresh("configs")
	create(place, topic, 1, nil)
	admin := connectAdmin(place)
	defer closed(admin)
	alter := func(change sarama.IncrementalAlterConfigsEntry) {
		changes := map[string]sarama.IncrementalAlterConfigsEntry{"retention.ms": change}
		trial.Check(admin.IncrementalAlterConfig(sarama.TopicResource, topic, changes, false))
	}
	isSet := func(value string, source sarama.ConfigSource) func() bool {
		return func() bool {
			found := configOf(admin, sarama.TopicResource, topic, "retention.ms")
			return found.Value == value && found.Source == source
		}
	}
	value := "123456"
	alter(sarama.IncrementalAlterConfigsEntry{
		Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &value,
	})
	trial.Until("the value", isSet(value, sarama.SourceTopic))
	alter(sarama.IncrementalAlterConfigsEntry{
		Operation: sarama.IncrementalAlterConfigsOperationDelete,
	})
	trial.Until("the default again", isSet("604800000", sarama.SourceDefault))
	// As it was done before Kafka 2.3: all that is not named is as if it had not been set.
	trial.Check(admin.AlterConfig(sarama.TopicResource, topic, map[string]*string{
		"retention.ms": &value,
	}, false))
	trial.Until("the value again", isSet(value, sarama.SourceTopic))
	found := configOf(admin, sarama.BrokerResource, "1", "node.id")
	trial.Same(found.Value, "1", "node.id")
}

func configOf(
	admin sarama.ClusterAdmin, kind sarama.ConfigResourceType, name, config string,
) sarama.ConfigEntry {
	resource := sarama.ConfigResource{Type: kind, Name: name, ConfigNames: []string{config}}
	found := trial.Must(admin.DescribeConfig(resource))
	trial.Same(len(found), 1, "The number of configs")
	return found[0]
}

func times(ctx context.Context, place *trial.Place) {
	topic := place.Fresh("times")
	sent := messages(topic, trial.Texts(10, "v"))
	for index, message := range sent {
		message.Timestamp = trial.Start.Add(time.Duration(index) * time.Millisecond)
	}
	sender := connectProducer(place)
	defer closed(sender)
	trial.Check(sender.SendMessages(sent))
	start := trial.Start.UnixMilli()
	for _, version := range versions {
		client := connect(place, as(version))
		of := func(time int64) int64 { return trial.Must(client.GetOffset(topic, 0, time)) }
		found := []int64{of(sarama.OffsetOldest), of(start + 4), of(sarama.OffsetNewest), of(start + 10)}
		trial.Same(found, []int64{0, 4, 10, -1}, "The first, of a time, the end, of later")
		closed(client)
	}
	admin := connectAdmin(place)
	defer closed(admin)
	list := func(time int64) *sarama.OffsetResult {
		asked := map[string]map[int32]int64{topic: {0: time}}
		listed := trial.Must(admin.ListOffsets(asked, &sarama.ListOffsetsOptions{}))[topic][0]
		trial.Same(listed.Err, error(sarama.ErrNoError), "The error")
		return listed
	}
	listed := list(start + 4)
	trial.Same([]int64{listed.Offset, listed.Timestamp - start}, []int64{4, 4}, "What is listed")
	trial.Check(admin.DeleteRecords(topic, map[int32]int64{0: 3}))
	trial.Same(list(sarama.OffsetOldest).Offset, 3, "The first")
	trial.Same(values(consume(ctx, place, topic, 7)), trial.Texts(10, "v")[3:], "What is left")
}
