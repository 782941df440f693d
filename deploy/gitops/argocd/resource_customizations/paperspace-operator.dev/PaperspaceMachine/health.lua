-- Health of a PaperspaceMachine, from its conditions. What is being deleted Argo CD calls Progressing by itself, without asking.
local generation = obj.metadata.generation
local status = obj.status
if status == nil or status.conditions == nil or status.observedGeneration ~= generation then
  return { status = "Progressing", message = "The operator has not looked at this generation yet" }
end

local conditions = {}
for _, condition in ipairs(status.conditions) do
  conditions[condition.type] = condition
end

local function is(kind)
  return conditions[kind] ~= nil and conditions[kind].status == "True"
end

local function because(health, kind)
  local condition = conditions[kind]
  if condition == nil then
    return { status = health, message = "There is no condition " .. kind }
  end
  return { status = health, message = condition.reason .. ": " .. condition.message }
end

-- Only a person can help, whether it is suspended or not.
if is("Stalled") then
  return because("Degraded", "Stalled")
end
-- Nothing is done, because somebody said so.
if is("Suspended") then
  return because("Suspended", "Suspended")
end
if is("Reconciling") then
  return because("Progressing", "Reconciling")
end
if not is("Ready") then
  return because("Progressing", "Ready")
end
-- A change that waits until somebody stops the machine is what its owner chose.
if not is("Synced") then
  return because("Healthy", "Synced")
end
return because("Healthy", "Ready")
