# frozen_string_literal: true

# Tule's bootstrap for Ruby: the conversation on descriptor 3, whose frames frame.go
# describes. Errors, logs and what a handler may be are as in AWS's runtime for Ruby.

require 'stringio'

module Tule
  FD = 3
  PROTOCOL = 1
  READY, FAULT, LOG, RESULT, ERROR = %w[r x l s e].freeze
  UNHANDLED, EXITING = %w[U X].freeze
  NEXT = "\0\0\0\0n".b # a frame: an outcome is told, and the next event may come
  OWN_FILE = __FILE__

  # Wire is the conversation.
  class Wire
    def initialize
      @io = IO.for_fd(FD, 'r+b', autoclose: false)
      @io.close_on_exec = true
      @io.sync = true
      @turn = Mutex.new
    end

    # receive waits for the next frame's body; nil at the end of the conversation.
    def receive
      head = @io.read(5)
      return nil if head.nil? || head.bytesize < 5

      @io.read(head.unpack1('N'))
    rescue SystemCallError
      nil
    end

    def send(kind, body)
      body = body.b
      head = [body.bytesize].pack('N') + kind
      body += NEXT if [RESULT, ERROR].include?(kind)
      @turn.synchronize { @io.write(head + body) }
    rescue SystemCallError
      exit!(1) # nobody listens any more
    end

    def log(text)
      send(LOG, text.to_s.scrub.chomp)
    end
  end

  WIRE = Wire.new

  # Output is $stdout and $stderr: a line is a log event, and so is all that one puts says.
  class Output < StringIO
    attr_reader :fileno

    def initialize(fileno)
      super()
      @fileno = fileno
      @held = +''
    end

    def write(*parts)
      text = parts.join
      @held << text
      *lines, rest = @held.split("\n", -1)
      lines.each { |line| WIRE.log(line) }
      @held = +(rest || '')
      text.bytesize
    end

    def puts(*parts)
      settle
      WIRE.log(parts.flatten.map(&:to_s).join("\n"))
      nil
    end

    def settle
      return if @held.empty?

      held, @held = @held, +''
      WIRE.log(held)
    end

    def tty?
      false
    end
    alias isatty tty?

    def sync
      true
    end
  end

  # Sink takes what a Logger writes, each message one event.
  class Sink
    def write(message)
      WIRE.log(message)
    end

    def close; end
  end

  # Logging gives loggers of the standard output AWS's format.
  module Logging
    FORMAT = '%<sev>s, [%<time>s #%<process>d] %<severity>5s %<request>s -- %<program>s: %<message>s'

    def initialize(device, *rest, **options)
      if device.nil? || ![STDOUT, STDERR, $stdout, $stderr].include?(device)
        super
        return
      end
      options[:formatter] ||= Class.new(Logger::Formatter) do
        def call(severity, time, program, message)
          format(FORMAT, sev: severity[0], time: format_datetime(time), process: $$, severity: severity,
                         request: $_global_aws_request_id, program: program, message: msg2str(message))
        end
      end.new
      super(Sink.new, *rest, **options)
    end
  end

  module_function

  def describe(error, phase)
    trace = []
    (error.backtrace || []).first(100).each do |line|
      break if line.start_with?(OWN_FILE)

      trace << line
    end
    { errorMessage: error.message, errorType: "#{phase}<#{error.class}>", stackTrace: trace }
  end

  # told logs an error and gives it as the caller gets it.
  def told(error, phase, what)
    $stdout.settle
    $stderr.settle
    result = describe(error, phase)
    WIRE.log(what)
    WIRE.log(JSON.pretty_generate(result))
    result.to_json
  end

  # take_over gives a process that waited its variables and its folder.
  def take_over(config)
    ENV.replace(config['environ'].to_h { |pair| pair.split('=', 2) })
    Dir.chdir(config['taskRoot'])
    # Ruby has read this variable when it started.
    ENV['RUBYLIB'].to_s.split(':').reverse_each { |path| $LOAD_PATH.unshift(path) unless $LOAD_PATH.include?(path) }
  end

  # find_gems lets functions find gems that they have packaged with this very Ruby, whatever
  # version the runtime's name says.
  def find_gems(root)
    version = RbConfig::CONFIG['ruby_version']
    ours = ["#{root}/vendor/bundle/ruby/#{version}", "/opt/ruby/gems/#{version}"]
    Gem.paths = ENV.to_h.merge('GEM_PATH' => (ENV['GEM_PATH'].to_s.split(':') | ours).join(':'))
  end

  # invocation reads an invoke frame.
  def invocation(body)
    deadline = body.unpack1('Q>')
    at = 8
    fields = Array.new(5) do
      size = body[at, 4].unpack1('N')
      at += 4 + size
      body[at - size, size].force_encoding('UTF-8')
    end
    [deadline, *fields, body[at..].force_encoding('UTF-8')]
  end

  # invoke answers one event.
  def invoke(handler, config, body)
    deadline, id, arn, trace, client, identity, event = invocation(body)
    $_global_aws_request_id = id
    trace.empty? ? ENV.delete('_X_AMZN_TRACE_ID') : ENV['_X_AMZN_TRACE_ID'] = trace
    answer = handler.call(JSON.parse(event), LambdaContext.new(config, deadline, id, arn, client, identity))
    $stdout.settle
    $stderr.settle
    WIRE.send(RESULT, answer)
  rescue NameError => e # a NoMethodError, too: the code is not sound
    fail_hard(e)
  rescue StandardError => e
    WIRE.send(ERROR, UNHANDLED + told(e, 'Function', 'Error raised from handler method'))
  rescue Exception => e # rubocop:disable Lint/RescueException
    fail_hard(e)
  end

  def fail_hard(error)
    WIRE.send(ERROR, EXITING + told(error, 'Function', 'Critical exception from handler'))
    exit!(255)
  end

  def start(config)
    $stdout, $stderr = Output.new(1), Output.new(2)
    find_gems(config['taskRoot'])
    Logger.prepend(Logging)
    $LOAD_PATH.unshift(config['taskRoot']) unless $LOAD_PATH.include?(config['taskRoot'])
    handler = LambdaHandler.new(config['handler'])
    handler.load
    handler
  rescue Exception => e # rubocop:disable Lint/RescueException
    WIRE.send(FAULT, told(e, 'Init', 'Init error when loading handler '))
    exit!(252)
  end

  def main
    require 'json'
    require 'logger'
    first = WIRE.receive
    exit!(0) if first.nil?
    config = JSON.parse(first.force_encoding('UTF-8'))
    exit!(70) if config['protocol'] != PROTOCOL
    take_over(config) if ARGV.shift == 'modern'
    handler = start(config)
    WIRE.send(READY, [PROTOCOL].pack('C'))
    while (body = WIRE.receive)
      invoke(handler, config, body)
    end
    exit!(0)
  end
end

# LambdaHandler is the user's: "file.method" or "file.Class.method".
class LambdaHandler
  def initialize(name)
    parts = name.split('.')
    unless [2, 3].include?(parts.size)
      raise ArgumentError, "Invalid handler #{parts}, must be of form FILENAME.METHOD or FILENAME.CLASS.METHOD where " \
        'FILENAME corresponds with an existing Ruby source file FILENAME.rb, CLASS is an optional module/class namespace ' \
        'and METHOD is a callable method. If using CLASS, METHOD must be a class-level method.'
    end
    @handler_file_name, @handler_method_name = parts.first, parts.last
    @handler_class = parts[1] if parts.size == 3
  end

  def load
    require @handler_file_name
  end

  # call gives the answer as the bytes to be sent.
  def call(event, context)
    answer = if @handler_class
               Kernel.const_get(@handler_class).send(@handler_method_name, event: event, context: context)
             else
               __send__(@handler_method_name, event: event, context: context)
             end
    answer.is_a?(StringIO) || answer.is_a?(IO) ? answer.read : answer.to_json
  end
end

# LambdaContext is what handlers get beside the event.
class LambdaContext
  attr_reader :aws_request_id, :invoked_function_arn, :log_group_name, :log_stream_name, :function_name,
              :memory_limit_in_mb, :function_version, :identity, :client_context, :deadline_ms, :tenant_id

  def initialize(config, deadline, id, arn, client, identity)
    @deadline_ms = deadline
    @aws_request_id = id
    @invoked_function_arn = arn
    @log_group_name = config['logGroup']
    @log_stream_name = config['logStream']
    @function_name = config['functionName']
    @memory_limit_in_mb = config['memory']
    @function_version = config['functionVersion']
    @identity = JSON.parse(identity) unless identity.empty?
    @client_context = JSON.parse(client) unless client.empty?
  end

  def get_remaining_time_in_millis
    [@deadline_ms - Process.clock_gettime(Process::CLOCK_REALTIME, :millisecond), 0].max
  end
end

Tule.main
