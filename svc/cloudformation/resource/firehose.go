package resource

import (
	"reflect"
	"strings"

	firehoseapi "github.com/tule-cloud/tule/api/firehose"
	"github.com/tule-cloud/tule/aws"
)

var firehoseTypes = []*Type{
	{
		Name:  "AWS::KinesisFirehose::DeliveryStream",
		Named: "DeliveryStreamName", Length: 64,
		Create: func(c *Call) error {
			_, err := Do(c, &firehoseapi.CreateDeliveryStream)
			if err != nil && (!c.Again || !Exists(err)) {
				return err
			}
			c.ID = c.Text("DeliveryStreamName")
			return nil
		},
		Ready: func(c *Call) (bool, error) {
			d, err := c.deliveryStream()
			if err != nil {
				return false, err
			}
			if aws.Value(d.DeliveryStreamStatus) == firehoseapi.DeliveryStreamStatusCreatingFailed {
				return false, aws.Errorf(400, "NotStabilized", "The delivery stream %s could not be created.", c.ID)
			}
			return aws.Value(d.DeliveryStreamStatus) == firehoseapi.DeliveryStreamStatusActive, nil
		},
		Update: updateDelivery,
		Read: func(c *Call) (map[string]any, error) {
			d, err := c.deliveryStream()
			if err != nil {
				return nil, err
			}
			got := Show(d, "DeliveryStreamName", "DeliveryStreamType")
			got["Arn"] = *d.DeliveryStreamARN
			return got, nil
		},
		Delete: func(c *Call) error {
			_, err := firehoseapi.DeleteDeliveryStream.Do(c, c.Peers, &firehoseapi.DeleteDeliveryStreamInput{DeliveryStreamName: &c.ID, AllowForceDelete: new(true)})
			return err
		},
	},
}

func (c *Call) deliveryStream() (*firehoseapi.DeliveryStreamDescription, error) {
	out, err := firehoseapi.DescribeDeliveryStream.Do(c, c.Peers, &firehoseapi.DescribeDeliveryStreamInput{DeliveryStreamName: &c.ID})
	if err != nil {
		return nil, err
	}
	return out.DeliveryStreamDescription, nil
}

// updateDelivery changes a stream's destination, its encryption and its tags. A property
// «…DestinationConfiguration» is sent as the operation's member «…DestinationUpdate».
func updateDelivery(c *Call) error {
	d, err := c.deliveryStream()
	if err != nil {
		return err
	}
	in := &firehoseapi.UpdateDestinationInput{DeliveryStreamName: &c.ID, CurrentDeliveryStreamVersionId: d.VersionId}
	some := false
	for _, name := range c.Properties.Names() {
		kind, ok := strings.CutSuffix(name, "DestinationConfiguration")
		if !ok || !c.Changed(name) {
			continue
		}
		f, ok := field(reflect.ValueOf(in).Elem(), kind+"DestinationUpdate")
		if !ok {
			return invalid("Property %s of %s is not available in this version of Tule.", name, c.Type.Name)
		}
		update := renamed(c.Get(name), map[string]string{"S3Configuration": "S3Update", "S3BackupConfiguration": "S3BackupUpdate"})
		if err := FillValue(f, update, name); err != nil {
			return err
		}
		some = true
	}
	if some && len(d.Destinations) > 0 {
		in.DestinationId = d.Destinations[0].DestinationId
		if _, err := firehoseapi.UpdateDestination.Do(c, c.Peers, in); err != nil {
			return err
		}
	}
	const encryption = "DeliveryStreamEncryptionConfigurationInput"
	if c.Changed(encryption) {
		if c.Has(encryption) {
			in := &firehoseapi.StartDeliveryStreamEncryptionInput{DeliveryStreamName: &c.ID}
			if err = Into(c, encryption, &in.DeliveryStreamEncryptionConfigurationInput); err == nil {
				_, err = firehoseapi.StartDeliveryStreamEncryption.Do(c, c.Peers, in)
			}
		} else {
			_, err = firehoseapi.StopDeliveryStreamEncryption.Do(c, c.Peers, &firehoseapi.StopDeliveryStreamEncryptionInput{DeliveryStreamName: &c.ID})
		}
		if err != nil {
			return err
		}
	}
	return Retag(c, &firehoseapi.TagDeliveryStream, &firehoseapi.UntagDeliveryStream,
		func(in *firehoseapi.TagDeliveryStreamInput) { in.DeliveryStreamName = &c.ID }, func(in *firehoseapi.UntagDeliveryStreamInput) { in.DeliveryStreamName = &c.ID })
}
