package resource

import (
	"archive/zip"
	"bytes"
	"strings"

	lambdaapi "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
)

var lambdaTypes = []*Type{
	{
		Name:  "AWS::Lambda::Function",
		Named: "FunctionName", Length: 64,
		Defaults: map[string]any{"Timeout": "3", "MemorySize": "128"},
		Create: func(c *Call) error {
			code, err := c.functionCode()
			if err != nil {
				return err
			}
			shape := c.without("Code")
			out, err := Do(shape, &lambdaapi.CreateFunction, func(in *lambdaapi.CreateFunctionRequest) { in.Code = code })
			switch {
			case err == nil:
				c.Set("Arn", *out.FunctionArn)
			case !c.Again || !Exists(err):
				return err
			}
			c.ID = c.Text("FunctionName")
			c.taken = shape.taken
			c.Take("Code", "FunctionName")
			return c.functionExtras()
		},
		Ready: func(c *Call) (bool, error) {
			out, err := lambdaapi.GetFunctionConfiguration.Do(c, c.Peers, &lambdaapi.GetFunctionConfigurationRequest{FunctionName: &c.ID})
			if err != nil {
				return false, err
			}
			if aws.Value(out.State) == lambdaapi.StateFailed || aws.Value(out.LastUpdateStatus) == lambdaapi.LastUpdateStatusFailed {
				return false, aws.Errorf(400, "NotStabilized", "%s", aws.Value(out.StateReason)+aws.Value(out.LastUpdateStatusReason))
			}
			return aws.Value(out.State) != lambdaapi.StatePending && aws.Value(out.LastUpdateStatus) != lambdaapi.LastUpdateStatusInProgress, nil
		},
		Update: updateFunction,
		Read: func(c *Call) (map[string]any, error) {
			out, err := lambdaapi.GetFunctionConfiguration.Do(c, c.Peers, &lambdaapi.GetFunctionConfigurationRequest{FunctionName: &c.ID})
			if err != nil {
				return nil, err
			}
			got := Show(out, "Architectures", "DeadLetterConfig", "Description", "Environment", "EphemeralStorage", "FunctionName", "Handler", "MemorySize",
				"Role", "Runtime", "Timeout", "TracingConfig", "LoggingConfig", "PackageType")
			got["Arn"] = *out.FunctionArn
			if out.SnapStart != nil {
				got["SnapStartResponse.ApplyOn"], got["SnapStartResponse.OptimizationStatus"] = aws.Value(out.SnapStart.ApplyOn), aws.Value(out.SnapStart.OptimizationStatus)
			}
			return got, nil
		},
		Delete: func(c *Call) error {
			_, err := lambdaapi.DeleteFunction.Do(c, c.Peers, &lambdaapi.DeleteFunctionRequest{FunctionName: &c.ID})
			return err
		},
	},
}

func updateFunction(c *Call) error {
	if c.Changed("Code", "Architectures") {
		code, err := c.functionCode()
		if err != nil {
			return err
		}
		in := &lambdaapi.UpdateFunctionCodeRequest{FunctionName: &c.ID, ImageUri: code.ImageUri, S3Bucket: code.S3Bucket, S3Key: code.S3Key,
			S3ObjectVersion: code.S3ObjectVersion, SourceKMSKeyArn: code.SourceKMSKeyArn, ZipFile: code.ZipFile, Architectures: texts(c.Get("Architectures"))}
		if _, err := lambdaapi.UpdateFunctionCode.Do(c, c.Peers, in); err != nil {
			return err
		}
		if err := c.await(); err != nil {
			return err
		}
	}
	if _, err := Change(c, &lambdaapi.UpdateFunctionConfiguration, func(in *lambdaapi.UpdateFunctionConfigurationRequest) { in.FunctionName = &c.ID }); err != nil {
		return err
	}
	if err := c.functionExtras(); err != nil {
		return err
	}
	out, err := lambdaapi.GetFunctionConfiguration.Do(c, c.Peers, &lambdaapi.GetFunctionConfigurationRequest{FunctionName: &c.ID})
	if err != nil {
		return err
	}
	return Retag(c, &lambdaapi.TagResource, &lambdaapi.UntagResource,
		func(in *lambdaapi.TagResourceRequest) { in.Resource = out.FunctionArn }, func(in *lambdaapi.UntagResourceRequest) { in.Resource = out.FunctionArn })
}

// functionExtras sets what operations of their own set.
func (c *Call) functionExtras() error {
	if c.Old == nil && !c.Has("ReservedConcurrentExecutions") || c.Old != nil && !c.Changed("ReservedConcurrentExecutions") {
		return nil
	}
	if !c.Has("ReservedConcurrentExecutions") {
		_, err := lambdaapi.DeleteFunctionConcurrency.Do(c, c.Peers, &lambdaapi.DeleteFunctionConcurrencyRequest{FunctionName: &c.ID})
		return err
	}
	in := &lambdaapi.PutFunctionConcurrencyRequest{FunctionName: &c.ID}
	if err := Into(c, "ReservedConcurrentExecutions", &in.ReservedConcurrentExecutions); err != nil {
		return err
	}
	_, err := lambdaapi.PutFunctionConcurrency.Do(c, c.Peers, in)
	return err
}

// functionCode reads the property Code, whose ZipFile is a program's text, not an archive.
func (c *Call) functionCode() (*lambdaapi.FunctionCode, error) {
	code := &lambdaapi.FunctionCode{}
	if err := Into(c, "Code", code); err != nil {
		return nil, err
	}
	o, _ := c.Properties.Get("Code").(*ordered.Object)
	if o == nil || !o.Has("ZipFile") {
		return code, nil
	}
	name := "index.js"
	if strings.HasPrefix(c.Text("Runtime"), "python") {
		name = "index.py"
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, ExternalAttrs: 0o644 << 16})
	if err == nil {
		_, err = w.Write([]byte(member(o, "ZipFile")))
	}
	if err == nil {
		err = z.Close()
	}
	code.ZipFile = b.Bytes()
	return code, err
}
